import type { z } from 'zod';

/** What is known about one setting besides its parser. */
export interface SettingDescription {
  readonly description?: string;
  readonly allowed?: string;
  readonly secret: boolean;
  /** Text of the default, if it has one. */
  readonly defaultText?: string;
  /** True when the setting must be given. */
  readonly required: boolean;
}

interface WrapperDefinition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly defaultValue?: unknown;
}

/** Pure. Reads the metadata of a setting through its wrappers (`optional`, `prefault`); the outermost wins. */
export function describeSetting(setting: z.ZodType): SettingDescription {
  const found: { description?: string; allowed?: string; defaultText?: string; secret: boolean; required: boolean } = {
    secret: false,
    required: true,
  };
  for (let schema: z.ZodType | undefined = setting; schema; schema = definitionOf(schema).innerType) {
    const definition = definitionOf(schema);
    const meta = schema.meta() ?? {};
    if (found.description === undefined && meta.description !== undefined) found.description = meta.description;
    if (found.allowed === undefined && typeof meta['allowed'] === 'string') found.allowed = meta['allowed'];
    if (meta['secret'] === true) found.secret = true;
    if (definition.type === 'optional') found.required = false;
    if (definition.type === 'prefault' || definition.type === 'default') {
      found.required = false;
      found.defaultText ??= String(definition.defaultValue);
    }
  }
  return found;
}

const definitionOf = (schema: z.ZodType): WrapperDefinition => schema.def as WrapperDefinition;
