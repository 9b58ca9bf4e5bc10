/** A place in the tree of served orders. */
interface Node<Id> {
  readonly children: Map<Id, Node<Id>>;
  lastTick: number;
}

/** Bounds of a {@link PrefixOrder}. */
export interface PrefixOrderOptions {
  /** Chunks over all remembered orders; beyond it the orders that were not served the longest are forgotten. */
  readonly mostNodes?: number;
}

const DEFAULT_MOST_NODES = 65_536;

/**
 * For engines that keep prefixes only: puts the chunks of a prompt into an order that was served before, as far as that
 * reaches, and the rest by how often each was asked for, so that popular chunks come to share prefixes (greedy over a tree
 * of prefixes, the idea of CacheWeaver, arXiv 2606.19667).
 */
export class PrefixOrder<Id extends string> {
  readonly #root: Node<Id> = { children: new Map(), lastTick: 0 };
  /** In order of the last reference. */
  readonly #references = new Map<Id, number>();
  readonly #mostNodes: number;
  #nodes = 0;
  #tick = 0;

  constructor({ mostNodes = DEFAULT_MOST_NODES }: PrefixOrderOptions = {}) {
    this.#mostNodes = mostNodes;
  }

  /** Modifies state: a prompt with these chunks, each once, is served. Returns them in the order to serve. */
  arrange(chunks: readonly Id[]): readonly Id[] {
    this.#tick += 1;
    for (const id of chunks) this.#count(id);
    const order = this.#orderOf(chunks);
    this.#remember(order);
    return order;
  }

  #count(id: Id): void {
    const count = (this.#references.get(id) ?? 0) + 1;
    this.#references.delete(id);
    this.#references.set(id, count);
    if (this.#references.size <= this.#mostNodes) return;
    const [oldest] = this.#references.keys();
    this.#references.delete(oldest!);
  }

  #orderOf(chunks: readonly Id[]): readonly Id[] {
    const left = new Set([...chunks].sort((a, b) => this.#byPopularity(a, b)));
    const order: Id[] = [];
    let node: Node<Id> | undefined = this.#root;
    while (node !== undefined && left.size > 0) {
      const next = longestPath(node, left)[0];
      if (next === undefined) break;
      order.push(next);
      left.delete(next);
      node = node.children.get(next);
    }
    return [...order, ...left];
  }

  #byPopularity(a: Id, b: Id): number {
    return (this.#references.get(b) ?? 0) - (this.#references.get(a) ?? 0) || (a < b ? -1 : 1);
  }

  #remember(order: readonly Id[]): void {
    let node = this.#root;
    for (const id of order) {
      let child = node.children.get(id);
      if (child === undefined) {
        child = { children: new Map(), lastTick: this.#tick };
        node.children.set(id, child);
        this.#nodes += 1;
      }
      child.lastTick = this.#tick;
      node = child;
    }
    if (this.#nodes > this.#mostNodes) this.#forgetOldHalf();
  }

  /** Half at once, so that the walk over the tree is paid for by many prompts. */
  #forgetOldHalf(): void {
    const ticks: number[] = [];
    visit(this.#root, ({ lastTick }) => ticks.push(lastTick));
    ticks.sort((a, b) => a - b);
    const limit = ticks[Math.floor(ticks.length / 2)]!;
    const prune = (node: Node<Id>): void => {
      for (const [id, child] of node.children) {
        if (child.lastTick <= limit) node.children.delete(id);
        else prune(child);
      }
    };
    prune(this.#root);
    this.#nodes = 0;
    visit(this.#root, () => (this.#nodes += 1));
  }
}

const visit = <Id>(node: Node<Id>, see: (node: Node<Id>) => void): void => {
  for (const child of node.children.values()) {
    see(child);
    visit(child, see);
  }
};

/** The longest path down the tree over chunks that are left; of equal ones that of the more popular chunk. */
const longestPath = <Id>(node: Node<Id>, left: ReadonlySet<Id>): readonly Id[] => {
  let longest: readonly Id[] = [];
  for (const id of left) {
    const child = node.children.get(id);
    if (child === undefined) continue;
    const path = [id, ...longestPath(child, without(left, id))];
    if (path.length > longest.length) longest = path;
  }
  return longest;
};

const without = <Id>(ids: ReadonlySet<Id>, id: Id): ReadonlySet<Id> =>
  new Set([...ids].filter((other) => other !== id));
