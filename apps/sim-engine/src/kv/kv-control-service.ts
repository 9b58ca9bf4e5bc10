import { kv } from '@holdfast/contracts';
import { DomainError, type ErrorLogger, invalidFields } from '@holdfast/platform';
import type { FieldViolation } from '@holdfast/contracts';
import { millis, type PinTerms } from '@holdfast/scheduling';
import type { EngineDriver } from '../engine-driver.js';
import type { EngineSettings } from '../engine-settings.js';
import { streaming, unary } from '../grpc-handlers.js';
import { pinToProto, statsToProto, valueFromProto } from './pin-mapping.js';
import type { PinWatch } from './pin-watch.js';

/** What the service is made of. */
export interface KvControlOptions {
  readonly driver: EngineDriver;
  readonly settings: EngineSettings;
  readonly watch: PinWatch;
  readonly version: string;
  readonly logger: ErrorLogger;
}

const INTERFACE_VERSION = 1;

/** holdfast.kv.v1.KvControl over an engine model. Times are milliseconds of model time. */
export const kvControlService = (options: KvControlOptions): kv.KvControlServer => {
  const { driver, settings, watch, logger } = options;
  const { epoch } = settings;
  return {
    getInfo: unary(logger, () => getInfo(options)),
    pin: unary(logger, (request: kv.PinRequest) => ({ pin: setPin(request, options), epoch })),
    renew: unary(logger, (request: kv.RenewRequest) => ({ pin: renewPin(request, options), epoch })),
    release: unary(logger, (request: kv.ReleaseRequest) => {
      check([programViolation(request)]);
      checkEpoch(request.epoch, epoch);
      return { released: driver.apply((model, now) => model.release(request.programId, now)) };
    }),
    listPins: unary(logger, () => ({
      pins: driver.apply((model, now) => model.pins(now).map((pin) => pinToProto(pin, now))),
      epoch,
    })),
    getStats: unary(logger, () => ({ stats: statsToProto(driver.stats(), epoch, settings.blockTokens) })),
    rerank: unary(logger, (request: kv.RerankRequest) => rerank(request, options)),
    watch: streaming(logger, (call) => watch.watch(call)),
  };
};

const getInfo = ({ settings, version }: KvControlOptions): kv.GetInfoResponse => ({
  interfaceVersion: INTERFACE_VERSION,
  epoch: settings.epoch,
  engineKind: 'sim',
  engineVersion: version,
  totalBlocks: settings.totalBlocks,
  hostBlocks: settings.host.blocks,
  reloadSecondsPerToken: settings.host.reloadMicrosPerToken / 1e6,
  blockSize: settings.blockTokens,
  maxRunningRequests: settings.maxRunningRequests,
  maxPinnedFraction: settings.maxPinnedFraction,
  ordersByRank: true,
  softPins: true,
  reranks: true,
});

const setPin = (request: kv.PinRequest, { driver, settings }: KvControlOptions): kv.Pin => {
  check([programViolation(request), ttlViolation(request.ttlMs), valueViolation(request.value)]);
  checkEpoch(request.epoch, settings.epoch);
  const terms: PinTerms = {
    ttl: millis(request.ttlMs),
    soft: request.soft,
    value: valueFromProto(request.value),
  };
  return driver.apply((model, now) => {
    const pin = model.pin(request.programId, terms, now);
    if (pin === 'not-resident') throw notResident(request.programId);
    if (pin === 'cap-reached') throw capReached(request.programId, settings);
    return pinToProto(pin, now);
  });
};

const renewPin = (request: kv.RenewRequest, { driver, settings }: KvControlOptions): kv.Pin => {
  check([
    programViolation(request),
    ttlViolation(request.ttlMs),
    request.value === undefined ? undefined : valueViolation(request.value),
  ]);
  checkEpoch(request.epoch, settings.epoch);
  return driver.apply((model, now) => {
    const held = model.pins(now).find((pin) => pin.programId === request.programId);
    if (held === undefined) throw pinNotFound(request.programId);
    const value = request.value === undefined ? held.value : valueFromProto(request.value);
    const pin = model.renew(request.programId, { ttl: millis(request.ttlMs), soft: held.soft, value }, now);
    if (pin === 'no-pin') throw pinNotFound(request.programId);
    return pinToProto(pin, now);
  });
};

const rerank = (request: kv.RerankRequest, { driver, settings }: KvControlOptions): kv.RerankResponse => {
  check([requestViolation(request), rankViolation(request.rank)]);
  checkEpoch(request.epoch, settings.epoch);
  return { reranked: driver.apply((model, now) => model.rerank(request.requestId, Number(request.rank), now)) };
};

const check = (violations: readonly (FieldViolation | undefined)[]): void => {
  const found = violations.filter((violation) => violation !== undefined);
  if (found.length > 0) throw invalidFields(found);
};

const programViolation = ({ programId }: { readonly programId: string }): FieldViolation | undefined =>
  programId === '' ? { field: 'program_id', description: 'is empty; allowed: the id of a program' } : undefined;

const requestViolation = ({ requestId }: kv.RerankRequest): FieldViolation | undefined =>
  requestId === '' ? { field: 'request_id', description: 'is empty; allowed: the id of a request' } : undefined;

const rankViolation = (rank: bigint): FieldViolation | undefined =>
  Number.isSafeInteger(Number(rank))
    ? undefined
    : { field: 'rank', description: `is ${rank}; allowed: -9007199254740991 to 9007199254740991` };

const ttlViolation = (ttlMs: number): FieldViolation | undefined =>
  ttlMs < 1 ? { field: 'ttl_ms', description: `is ${ttlMs}; allowed: 1 to 4294967295` } : undefined;

const valueViolation = (value: number): FieldViolation | undefined =>
  value >= 0 ? undefined : { field: 'value', description: `is ${value}; allowed: 0 or more, +Infinity included` };

const checkEpoch = (asked: string, current: string): void => {
  if (asked === '' || asked === current) return;
  throw new DomainError({
    kind: 'conflict',
    reason: 'EPOCH_STALE',
    message: `epoch is "${asked}"; allowed: "${current}", the engine's own, or empty for any`,
    metadata: { epoch: current },
  });
};

const pinNotFound = (programId: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'PIN_NOT_FOUND',
    message: `program ${programId} holds no pin here`,
    metadata: { programId },
  });

const notResident = (programId: string): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'KV_NOT_RESIDENT',
    message: `no KV of program ${programId} is resident: it has finished no turn here, or the KV is evicted`,
    metadata: { programId },
  });

const capReached = (programId: string, settings: EngineSettings): DomainError =>
  new DomainError({
    kind: 'exhausted',
    reason: 'PIN_CAP_REACHED',
    message: `hard pins may take ${settings.maxPinnedFraction} of ${settings.totalBlocks} blocks; with program ${programId} they would take more`,
    metadata: { programId, maxPinnedFraction: String(settings.maxPinnedFraction) },
  });
