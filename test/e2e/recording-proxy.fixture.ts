import { createServer, connect, type ClientHttp2Session, type Http2Server, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** Passes gRPC calls on to one server and keeps the headers of each. */
export class RecordingProxy {
  /** Of all calls so far, in order. */
  readonly headers: IncomingHttpHeaders[] = [];
  readonly #server: Http2Server;
  readonly #target: ClientHttp2Session;

  constructor(target: string) {
    this.#target = connect(`http://${target}`);
    this.#target.on('error', () => undefined); // Its calls fail, which their callers see.
    this.#server = createServer();
    this.#server.on('stream', (stream, headers) => {
      this.headers.push(headers);
      const { ':authority': _authority, ...rest } = headers;
      const call = this.#target.request(rest);
      call.on('response', (response) => {
        if (!stream.headersSent && !stream.destroyed) stream.respond(response, { waitForTrailers: true });
      });
      call.on('trailers', (trailers) => {
        stream.once('wantTrailers', () => stream.sendTrailers(trailers));
      });
      for (const [from, to] of [
        [stream, call],
        [call, stream],
      ] as const) {
        from.on('error', () => to.destroy());
        from.on('aborted', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  /** Listens. Returns the address, as host:port. */
  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        resolve(`127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
      });
    });
  }

  /** Modifies state. */
  close(): void {
    this.#target.destroy();
    this.#server.close();
  }
}
