import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';

/** Paths that are answered before everything else that a server has. */
export interface FirstPaths {
  /** `path` as `pathOf` gives it. */
  readonly isOwn: (path: string) => boolean;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void;
}

/** Pure. Without the query, and without slashes at the end. */
export const pathOf = (url = '/'): string => url.replace(/[?#].*$/, '').replace(/\/+$/, '');

/** Modifies the server: what it answered before, it goes on to answer, but for the paths given. */
export const serveBefore = (server: Server, { isOwn, answer }: FirstPaths): void => {
  const others = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (isOwn(pathOf(request.url))) answer(request, response);
    else for (const other of others) other.call(server, request, response);
  });
};
