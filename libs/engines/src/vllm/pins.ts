import type { kv } from '@holdfast/contracts';
import type { PinTerms } from '@holdfast/scheduling';
import type { EngineClient, HeldPin } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import type { EngineLink } from './engine-link.js';
import { ttlToWireMs } from './hints.js';
import { pinFromProto, valueToProto } from './pin-from-proto.js';

/** The pin operations of a client. On an engine without KvControl they fail with ENGINE_CAPABILITY_MISSING. */
export const pinOperations = (link: EngineLink): Pick<EngineClient, 'pin' | 'renew' | 'release' | 'listPins'> => {
  const { kvControl, unary } = link;
  return {
    pin: async (programId, epoch, terms) => {
      requirePins(link, 'Pin');
      const request = { programId, epoch, ttlMs: ttlToWireMs(terms), soft: terms.soft, value: valueToProto(terms) };
      const { pin } = await unary('Pin', kvControl, kvControl.pin, request);
      return heldPin(link, 'Pin', pin);
    },
    renew: async (programId: string, epoch: string, terms: PinTerms) => {
      requirePins(link, 'Renew');
      const request = { programId, epoch, ttlMs: ttlToWireMs(terms), value: valueToProto(terms) };
      const { pin } = await unary('Renew', kvControl, kvControl.renew, request);
      return heldPin(link, 'Renew', pin);
    },
    release: async (programId, epoch) => {
      requirePins(link, 'Release');
      const { released } = await unary('Release', kvControl, kvControl.release, { programId, epoch });
      return released;
    },
    listPins: async () => {
      requirePins(link, 'ListPins');
      const { epoch, pins } = await unary('ListPins', kvControl, kvControl.listPins, {});
      return { epoch, pins: pins.map(pinFromProto) };
    },
  };
};

/** Before the first `info` nothing is known, and the engine itself answers. */
const requirePins = ({ description, engineId }: EngineLink, method: string): void => {
  if (description?.capabilities.pins === false) {
    const message = `${method}: the engine has no KvControl`;
    throw new EngineError({ reason: 'ENGINE_CAPABILITY_MISSING', engineId, message });
  }
};

const heldPin = ({ engineId }: EngineLink, method: string, pin: kv.Pin | undefined): HeldPin => {
  if (pin !== undefined) return pinFromProto(pin);
  throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId, message: `${method}: the answer has no pin` });
};
