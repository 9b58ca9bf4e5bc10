/** A document of sections that are written at different times, each with a heading of its own. */
interface Sections {
  readonly introduction: string;
  /** Each begins with its heading, `## ...`. */
  readonly sections: readonly string[];
}

/** Pure. The document with these sections in place of those of the same heading; new ones come last, others stay. */
export const replaceSections = (document: string, { introduction, sections }: Sections): string => {
  const [, ...old] = document.split(/^(?=## )/m);
  const kept = new Map(old.map((section) => [headingOf(section), section.trimEnd()]));
  for (const section of sections) kept.set(headingOf(section), section);
  return `${[introduction, ...kept.values()].join('\n\n')}\n`;
};

const headingOf = (section: string): string => section.slice(0, section.indexOf('\n'));
