import { describe, expect, it } from '@jest/globals';
import { replaceSections } from './replace-sections.js';

describe('sections of a document', () => {
  it('are put in place of those of their heading, and the others stay', () => {
    const first = replaceSections('', { introduction: '# Title', sections: ['## A\n\none', '## B\n\n### B1\n\ntwo'] });
    expect(first).toBe('# Title\n\n## A\n\none\n\n## B\n\n### B1\n\ntwo\n');
    const second = replaceSections(first, { introduction: '# New title', sections: ['## C\n\nthree', '## A\n\nfour'] });
    expect(second).toBe('# New title\n\n## A\n\nfour\n\n## B\n\n### B1\n\ntwo\n\n## C\n\nthree\n');
  });
});
