// One lint for the whole tree. The boundary rules are design section 2 made checkable; `test/architecture.spec.ts`
// plants violations and sees each one caught.
import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const kernelKinds = ['kind:kernel'];
const boundaries = [
  { sourceTag: 'kind:kernel', onlyDependOnLibsWithTags: [], bannedExternalImports: ['*'] },
  {
    sourceTag: 'kind:simulation',
    onlyDependOnLibsWithTags: kernelKinds,
    allowedExternalImports: ['simple-statistics'],
  },
  { sourceTag: 'kind:contract', onlyDependOnLibsWithTags: [], bannedExternalImports: ['@nestjs/*', '@prisma/*', 'pg'] },
  {
    sourceTag: 'kind:platform',
    onlyDependOnLibsWithTags: ['kind:kernel', 'kind:contract'],
    bannedExternalImports: ['@prisma/*'],
  },
  {
    sourceTag: 'kind:adapter',
    onlyDependOnLibsWithTags: ['kind:kernel', 'kind:contract', 'kind:platform'],
    bannedExternalImports: ['@nestjs/*', 'bullmq', 'ioredis'],
  },
  {
    sourceTag: 'kind:queue',
    onlyDependOnLibsWithTags: ['kind:kernel', 'kind:contract', 'kind:platform'],
    bannedExternalImports: ['@nestjs/*', '@prisma/*'],
  },
  {
    sourceTag: 'kind:sdk',
    onlyDependOnLibsWithTags: ['kind:contract'],
    bannedExternalImports: ['@nestjs/*', '@prisma/*', 'pg'],
  },
  {
    sourceTag: 'kind:sim-app',
    onlyDependOnLibsWithTags: ['kind:kernel', 'kind:simulation', 'kind:contract', 'kind:platform'],
    bannedExternalImports: ['@nestjs/*', '@prisma/*', 'pg'],
  },
  {
    sourceTag: 'kind:app',
    onlyDependOnLibsWithTags: ['kind:kernel', 'kind:contract', 'kind:platform', 'kind:adapter', 'kind:queue'],
    bannedExternalImports: ['@prisma/*', 'pg', 'bullmq', 'ioredis'],
  },
  {
    sourceTag: 'kind:tool-app',
    onlyDependOnLibsWithTags: [
      'kind:kernel',
      'kind:simulation',
      'kind:contract',
      'kind:platform',
      'kind:sdk',
      'kind:queue',
      // Its processes: a tool that runs the built programs starts them as benchmarks and tests do.
      'kind:testing',
    ],
    bannedExternalImports: ['@nestjs/*', '@prisma/*', 'pg', 'bullmq', 'ioredis'],
  },
  {
    sourceTag: 'kind:example',
    onlyDependOnLibsWithTags: ['kind:sdk'],
    bannedExternalImports: ['@nestjs/*', '@prisma/*', 'pg'],
  },
];

const impureGlobals = [
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'console',
  'crypto',
  'fetch',
  'globalThis',
  'window',
].map((name) => ({ name, message: 'The pure core has no clock, IO or randomness: take the value as a parameter.' }));

const strictRules = {
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  '@typescript-eslint/explicit-module-boundary-types': 'error',
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
  'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
  complexity: ['error', 12],
};

const boundaryRule = (depConstraints) => ({
  '@nx/enforce-module-boundaries': ['error', { enforceBuildableLibDependency: false, allow: [], depConstraints }],
});

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/src/generated/**',
      '.nx/**',
      '.holdfast/**',
      '**/.venv/**',
      'test/fixtures/**',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'URL',
          'Buffer',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'fetch',
          'AbortSignal',
          'AbortController',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: { ...strictRules, ...boundaryRule(boundaries) },
  },
  {
    // Purity of the core. Specs are exempt: they bring Jest, fast-check and files.
    files: ['libs/scheduling/src/**/*.ts', 'libs/simulation/src/**/*.ts', 'libs/chunk-cache/src/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/*.fixture.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*', 'fs', 'path', 'os', 'crypto'], message: 'The pure core has no IO.' }] },
      ],
      'no-restricted-globals': ['error', ...impureGlobals],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Randomness is a seeded stream.' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true]', message: 'The pure core has no promises.' },
        { selector: 'AwaitExpression', message: 'The pure core has no promises.' },
        { selector: "NewExpression[callee.name='Promise']", message: 'The pure core has no promises.' },
        { selector: "MemberExpression[object.name='Promise']", message: 'The pure core has no promises.' },
      ],
    },
  },
  {
    // Specs and what they share (`*.fixture.ts`, never built) may use anything, and a describe block is as long as the behaviour it describes.
    files: ['**/*.spec.ts', '**/*.fixture.ts', 'libs/testing/src/**/*.ts', 'test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      ...boundaryRule([{ sourceTag: '*', onlyDependOnLibsWithTags: ['*'] }]),
    },
  },
  prettier,
);
