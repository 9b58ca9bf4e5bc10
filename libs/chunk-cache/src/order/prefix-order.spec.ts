import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PrefixOrder } from './prefix-order.js';

const arrange = (order: PrefixOrder<string>, chunks: string): string => order.arrange([...chunks]).join('');
describe('the order for engines that keep prefixes only', () => {
  it('follows an order that was served before as far as it reaches', () => {
    const order = new PrefixOrder<string>();
    const first = arrange(order, 'xyz');
    expect(arrange(order, [...first].reverse().join(''))).toBe(first);
    expect(arrange(order, 'wxyz')).toBe(`${first}w`);
  });

  it('puts popular chunks first, so that they come to share prefixes', () => {
    const order = new PrefixOrder<string>();
    for (const prompt of ['pa', 'pb', 'pc']) arrange(order, prompt);
    expect(arrange(order, 'zqp')[0]).toBe('p');
  });

  it('changes nothing but the order, with any bound', () => {
    const prompts = fc.array(fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 6 }), { maxLength: 40 });
    fc.assert(
      fc.property(prompts, fc.integer({ min: 1, max: 20 }), (list, mostNodes) => {
        const order = new PrefixOrder<string>({ mostNodes });
        for (const chunks of list) expect([...order.arrange(chunks)].sort()).toEqual([...chunks].sort());
      }),
    );
  });
});
