/** A section as it stands in the document. */
export interface Written {
  readonly name: string;
  /** Year, month, day. */
  readonly date: string;
  readonly commit: string;
  /** First digits of the digest of the code that the figures come from. */
  readonly code: string;
  /** Markdown between the marks. */
  readonly text: string;
}

const BEGIN = /^<!-- begin (\S+): (\S+), commit (\S+), code (\S+) -->$/;
const INTRODUCTION = `# Figures of the policy

Written by \`npm run policy:tables\`, section by section; each says when and of which commit. What they mean is in
[policy.md](policy.md), the words in [lab.md](lab.md). \`AGENTCGROUP\` and \`WEKA\` stand for the files of two public traces:
autonomous runs ([agentcgroup](https://github.com/eunomia-bpf/agentcgroup), numbers of 198 runs) and Claude Code sessions with
people in the loop ([kv-cache-tester](https://github.com/callanjfox/kv-cache-tester), 355 sessions). Parameters were chosen on
the even-numbered programs of each; what follows is judged on the odd-numbered ones (\`--select odd\`), with seeds 1 to 4
unless the command says otherwise.`;

/** Pure. Sections of a document, in its order; empty for a document that has none. */
export const readDocument = (document: string): readonly Written[] => {
  const sections: Written[] = [];
  let open: (Omit<Written, 'text'> & { readonly lines: string[] }) | null = null;
  for (const line of document.split('\n')) {
    const begin = BEGIN.exec(line);
    if (begin !== null) {
      const [, name = '', date = '', commit = '', code = ''] = begin;
      open = { name, date, commit, code, lines: [] };
    } else if (open !== null && line === `<!-- end ${open.name} -->`) {
      const { lines, ...head } = open;
      sections.push({ ...head, text: lines.join('\n').trim() });
      open = null;
    } else open?.lines.push(line);
  }
  return sections;
};

/** Pure. The document of these sections, in this order. */
export const writeDocument = (sections: readonly Written[]): string => {
  const parts = sections.map(
    ({ name, date, commit, code, text }) =>
      `<!-- begin ${name}: ${date}, commit ${commit}, code ${code} -->\n\n${text}\n\n<!-- end ${name} -->`,
  );
  return `${[INTRODUCTION, ...parts].join('\n\n')}\n`;
};
