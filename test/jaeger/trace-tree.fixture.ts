interface Tag {
  readonly key: string;
  readonly value: unknown;
}

interface FoundSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  readonly startTime: number;
  readonly duration: number;
  readonly tags: readonly Tag[];
  readonly logs: readonly { readonly timestamp: number; readonly fields: readonly Tag[] }[];
  readonly processID: string;
}

/** A trace as Jaeger's query API gives it. */
export interface FoundTrace {
  readonly traceID: string;
  readonly spans: readonly FoundSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** One span. Times are microseconds. */
export interface TreeSpan {
  readonly id: string;
  readonly parentId: string | undefined;
  readonly service: string;
  readonly name: string;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  /** Spans that this one points to besides its parent. */
  readonly links: readonly string[];
}

const record = (tags: readonly Tag[]): Record<string, unknown> =>
  Object.fromEntries(tags.map(({ key, value }) => [key, value]));

/** A trace as a tree. */
export class TraceTree {
  readonly traceId: string;
  readonly spans: readonly TreeSpan[];

  constructor({ traceID, spans, processes }: FoundTrace) {
    this.traceId = traceID;
    this.spans = spans.map((span) => {
      const parentId = span.references.find(({ refType }) => refType === 'CHILD_OF')?.spanID;
      return {
        id: span.spanID,
        parentId,
        service: processes[span.processID]?.serviceName ?? '',
        name: span.operationName,
        startsAt: span.startTime,
        endsAt: span.startTime + span.duration,
        tags: record(span.tags),
        events: span.logs.map(({ fields }) => record(fields)),
        links: span.references.map(({ spanID }) => spanID).filter((spanId) => spanId !== parentId),
      };
    });
  }

  /** Spans of a service by their name, in the order of their starts. */
  named(service: string, name: string): readonly TreeSpan[] {
    return this.spans
      .filter((span) => span.service === service && span.name === name)
      .sort((one, other) => one.startsAt - other.startsAt);
  }

  /** The span that `span` is below; undefined for a root. */
  parent(span: TreeSpan): TreeSpan | undefined {
    return this.spans.find(({ id }) => id === span.parentId);
  }

  /** Spans directly below, in the order of their starts. */
  children(of: TreeSpan): readonly TreeSpan[] {
    // Starts are whole milliseconds: of those in the same one, what ended first came first.
    const inTime = (one: TreeSpan, other: TreeSpan): number =>
      one.startsAt - other.startsAt || one.endsAt - other.endsAt;
    return this.spans.filter(({ parentId }) => parentId === of.id).sort(inTime);
  }

  /** The whole tree as text: a line a span, two blanks a level, siblings in the order of their text. */
  outline(): string {
    const known = new Set(this.spans.map(({ id }) => id));
    const lines = (span: TreeSpan): string => {
      const below = this.children(span).map((child) => lines(child).replace(/^/gm, '  '));
      return [`${span.service} ${span.name}`, ...below.sort()].join('\n');
    };
    const roots = this.spans.filter(({ parentId }) => parentId === undefined || !known.has(parentId));
    return roots.map(lines).sort().join('\n');
  }
}
