/** Where the programs lie that tools/clients/setup.mjs has set up; told by tools/clients/test.mjs. */
export const places = JSON.parse(process.env['TEST_CLIENTS'] ?? '{}') as {
  readonly venv: string;
  readonly python: string;
  /** Of Go programs. */
  readonly bin: string;
};
