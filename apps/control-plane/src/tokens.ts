/** Injection tokens of values that are no classes. */
export const CONFIG = Symbol('config');
export const LOGGER = Symbol('logger');
export const CLOCK = Symbol('clock');
export const ENGINE_TARGETS = Symbol('engineTargets');
/** Opens a client of an engine that is registered while the service runs. */
export const OPEN_ENGINE = Symbol('openEngine');
export const STORAGE = Symbol('storage');
export const TELEMETRY = Symbol('telemetry');
/** Called when the service cannot go on. */
export const ON_FATAL = Symbol('onFatal');
