import { defineConfig } from 'prisma/config';

// The client connects through a driver adapter at run time; the command line only generates and validates, offline.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
