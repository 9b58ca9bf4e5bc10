import { describe, expect, it } from '@jest/globals';
import { requireOwnPage } from './own-page.js';

const host = '127.0.0.1:8080';
const check = (method: string, headers: Record<string, string>): (() => void) => {
  return () => requireOwnPage({ method, headers: { host, ...headers } }, { areKeysAsked: false });
};

describe('requireOwnPage', () => {
  it.each([
    ['a program', {}],
    ['its own page', { 'sec-fetch-site': 'same-origin', origin: `http://${host}` }],
    ['its own page in an old browser', { origin: `http://${host}` }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
  ])('lets %s change things', (_, headers) => {
    expect(check('POST', headers)).not.toThrow();
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['another port of the host', { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:3000' }],
    ['another site in an old browser', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
  ])('lets %s change nothing', (_, headers) => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect(check(method, headers)).toThrow(expect.objectContaining({ reason: 'ORIGIN_REFUSED' }));
    }
    expect(check('GET', headers)).not.toThrow();
  });

  it.each(['localhost:8080', 'LOCALHOST', 'holdfast.localhost:8080', '127.0.0.1', '[::1]:8080', '10.0.0.7:80'])(
    'knows %s as a name of the service',
    (name) => {
      expect(check('GET', { host: name })).not.toThrow();
      expect(check('POST', { host: name })).not.toThrow();
    },
  );

  it.each([
    'rebound.example:8080',
    'localhost.example',
    '127.0.0.1.example',
    'notlocalhost',
    'localhost:8080@evil.example',
    '',
    'a b',
  ])('lets nobody in under the name "%s", to read either, unless keys are asked for', (name) => {
    const headers = { host: name, origin: `http://${name}`, 'sec-fetch-site': 'same-origin' };
    for (const method of ['GET', 'POST']) {
      expect(check(method, headers)).toThrow(expect.objectContaining({ reason: 'ORIGIN_REFUSED' }));
      expect(() => requireOwnPage({ method, headers }, { areKeysAsked: true })).not.toThrow();
    }
  });
});
