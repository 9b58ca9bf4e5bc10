import { z } from 'zod';

/** The schemas that have a name of their own in the OpenAPI document. */
export const namedSchemas = z.registry<{ readonly id: string }>();

/** Modifies the registry: gives the schema its name in the document. */
export const named = <Schema extends z.ZodType>(id: string, schema: Schema): Schema => {
  namedSchemas.add(schema, { id });
  return schema;
};
