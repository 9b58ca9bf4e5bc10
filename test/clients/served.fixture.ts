/** The service that test/clients/served-model.mjs started, and conversations that every client has to carry. */

/** What is served, and where. */
interface Served {
  readonly httpUrl: string;
  /** host:port of gRPC. */
  readonly grpcAddress: string;
  /** An admin's. */
  readonly apiKey: string;
  readonly model: string;
  /** Calls of its tools that the model makes for each message of the user, before it answers in words. */
  readonly callsPerTask: number;
  readonly maxContextTokens: number;
}

/** The service. */
export const served = JSON.parse(process.env['TEST_SERVED'] ?? '{}') as Served;

/** What OpenAI clients call the base URL. */
export const baseUrl = `${served.httpUrl}/v1`;

/** Tools of a coding agent, as JSON schemas. */
export const toolSchemas = {
  bash: {
    description: 'Runs a command in a shell and returns what it prints.',
    parameters: {
      type: 'object',
      properties: { command: { type: 'string', description: 'The command line.' } },
      required: ['command'],
    },
  },
  read_file: {
    description: 'Returns the content of a file.',
    parameters: {
      type: 'object',
      properties: { path: { type: 'string' }, limit: { type: 'integer' } },
      required: ['path', 'limit'],
    },
  },
} as const;

/** The same, in the form of the OpenAI API. */
export const openAiTools = Object.entries(toolSchemas).map(([name, schema]) => ({
  type: 'function' as const,
  function: { name, ...schema },
}));

/** What a tool gives back; long enough for a few blocks of KV, and another text for each call. */
export const toolOutput = (name: string, args: unknown): string =>
  `${name} was run with ${JSON.stringify(args)}. ${'It printed a line of output that is worth reading. '.repeat(4)}`;
