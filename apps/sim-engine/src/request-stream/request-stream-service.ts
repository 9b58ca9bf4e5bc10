import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { type engine, vllm } from '@holdfast/contracts';
import { type DomainError, type ErrorLogger, invalidFields, toGrpcStatus } from '@holdfast/platform';
import type { GeneratePeer } from '../vllm/generate-peer.js';
import { endWith, StreamedPeer } from './streamed-peer.js';

/** What the service is made of. */
export interface RequestStreamOptions {
  /** Runs a request, as for a Generate call. Throws for one that the engine does not take. */
  readonly generate: (peer: GeneratePeer) => void;
  readonly logger: ErrorLogger;
}

type RunCall = ServerDuplexStream<engine.RunRequest, engine.RunResponse>;

/** holdfast.engine.v1.RequestStreamService over the engine's Generate. */
export class RequestStreamService {
  private readonly streams = new Set<RequestStream>();

  constructor(private readonly options: RequestStreamOptions) {}

  /** The handlers. */
  handlers(): engine.RequestStreamServiceServer {
    return { run: (call: RunCall) => this.run(call) };
  }

  /** Ends every stream with an error. Modifies state. */
  close(error: unknown): void {
    for (const stream of this.streams) stream.fail(error);
  }

  private run(call: RunCall): void {
    const stream = new RequestStream(call, this.options, () => this.streams.delete(stream));
    this.streams.add(stream);
  }
}

/** One caller's stream. */
class RequestStream {
  private readonly peers = new Map<number, StreamedPeer>();
  private isOpen = true;

  constructor(
    private readonly call: RunCall,
    private readonly options: RequestStreamOptions,
    private readonly onClose: () => void,
  ) {
    call.sendMetadata(new Metadata());
    call.on('data', (request: engine.RunRequest) => this.act(request));
    call.on('drain', () => {
      call.resume();
      for (const peer of this.peers.values()) peer.drained();
    });
    call.on('cancelled', () => this.close());
    call.on('error', () => this.close());
    call.on('end', () => {
      this.close();
      call.end();
    });
  }

  /** Ends the stream with an error. Modifies state. */
  fail(error: unknown): void {
    if (!this.isOpen) return;
    this.close();
    this.call.emit('error', toGrpcStatus(error, this.options.logger));
  }

  private act({ callId, action }: engine.RunRequest): void {
    if (!this.isOpen) return;
    switch (action?.$case) {
      case 'start':
        if (callId === 0 || this.peers.has(callId)) return this.fail(callIdTaken(callId));
        return this.start(callId, action.value);
      case 'cancel':
        return this.peers.get(callId)?.cancel();
      case 'grant':
        return this.peers.get(callId)?.grant(action.value.responses);
      case undefined:
        return this.fail(invalid('action', 'is unset; allowed: start, cancel or grant'));
    }
  }

  private start(callId: number, start: engine.StartAction): void {
    try {
      const peer = new StreamedPeer(start, requestOf(start), {
        send: (news) => this.isOpen && this.call.write({ callId, ...news }),
        ended: () => this.peers.delete(callId),
      });
      this.peers.set(callId, peer);
      this.options.generate(peer);
    } catch (error) {
      // It was not begun, so nothing was sent for it.
      this.peers.delete(callId);
      const isTaken = this.call.write({ callId, ...endWith(error, this.options.logger) });
      // No window holds refusals back: a caller that does not read them is not read from.
      if (!isTaken) this.call.pause();
    }
  }

  private close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const peer of [...this.peers.values()]) peer.cancel();
    this.onClose();
  }
}

const requestOf = ({ window, generateRequest }: engine.StartAction): vllm.GenerateRequest => {
  if (window < 1) throw invalid('start.window', `is ${window}; allowed: 1 to 4294967295`);
  try {
    return vllm.GenerateRequest.decode(generateRequest);
  } catch (error) {
    const what = `has ${generateRequest.length} bytes that cannot be parsed (${(error as Error).message})`;
    throw invalid('start.generate_request', `${what}; allowed: a vllm.grpc.engine.GenerateRequest`);
  }
};

const callIdTaken = (callId: number): DomainError =>
  invalid(
    'call_id',
    `is ${callId}${callId === 0 ? '' : ', which is in use'}; allowed: a number above 0 that is not in use on this stream`,
  );

const invalid = (field: string, description: string): DomainError => invalidFields([{ field, description }]);
