/** The OpenAPI document and a page that shows it. Both are public, and nothing of them comes from another host. */
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { openApiDocument } from './openapi.js';
import type { Operation } from './operation.js';

const require = createRequire(import.meta.url);

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Holdfast REST</title>
    <link rel="stylesheet" href="docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const start = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n`;

/** Swagger UI sets styles and draws its icons from data URLs. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";

const assets: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  '/docs/swagger-ui.css': { file: require.resolve('swagger-ui-dist/swagger-ui.css'), type: 'text/css; charset=utf-8' },
  '/docs/swagger-ui-bundle.js': {
    file: require.resolve('swagger-ui-dist/swagger-ui-bundle.js'),
    type: 'text/javascript; charset=utf-8',
  },
};

/** Makes the function that answers requests for the document and its page, and says whether it did. */
export const docsRoutes = (
  operations: readonly Operation[],
): ((path: string, request: IncomingMessage, response: ServerResponse) => boolean) => {
  const texts: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
    '/openapi.json': { type: 'application/json', text: JSON.stringify(openApiDocument(operations)) },
    '/docs': { type: 'text/html; charset=utf-8', text: page },
    '/docs/start.js': { type: 'text/javascript; charset=utf-8', text: start },
  };
  return (path, request, response) => {
    const text = texts[path];
    const asset = assets[path];
    if (request.method !== 'GET' || (text === undefined && asset === undefined)) return false;
    response.setHeader('content-security-policy', policy);
    response.setHeader('x-content-type-options', 'nosniff');
    response.writeHead(200, { 'content-type': (text ?? asset)?.type });
    if (asset === undefined) response.end(text?.text);
    else createReadStream(asset.file).pipe(response);
    return true;
  };
};
