import { z } from 'zod';

/** Any text of so many characters, counted in code points as JSON Schema does. */
export const text = (min: number, max: number): z.ZodString => {
  const allowed = `${min} to ${max} characters`;
  return z.string(allowed).regex(new RegExp(`^[\\s\\S]{${min},${max}}$`, 'u'), allowed);
};

/** Text for people: counted alike, and without control characters, of which PostgreSQL does not store every one. */
export const plainText = (min: number, max: number): z.ZodString =>
  z
    .string()
    .regex(
      new RegExp(`^[^\\u0000-\\u001f\\u007f]{${min},${max}}$`, 'u'),
      `${min} to ${max} characters, none of control`,
    );
