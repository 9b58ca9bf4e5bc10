import type { ExtentRequest } from './extent-request.js';

/** Requests in a total order; a binary heap that knows each one's place, so that any of them can be taken out. */
export class RequestHeap {
  readonly #heap: ExtentRequest[] = [];
  readonly #compare: (a: ExtentRequest, b: ExtentRequest) => number;

  constructor(compare: (a: ExtentRequest, b: ExtentRequest) => number) {
    this.#compare = compare;
  }

  /** Pure. */
  get size(): number {
    return this.#heap.length;
  }

  /** Pure. */
  peek(): ExtentRequest | undefined {
    return this.#heap[0];
  }

  /** Modifies state. */
  push(request: ExtentRequest): void {
    this.#place(request, this.#heap.length);
    this.#siftUp(request.heapIndex);
  }

  /** Modifies state. The request must be inside. */
  remove(request: ExtentRequest): void {
    const index = request.heapIndex;
    const last = this.#heap.pop();
    request.heapIndex = -1;
    if (last === undefined || last === request) return;
    this.#place(last, index);
    this.#siftUp(index);
    this.#siftDown(last.heapIndex);
  }

  #place(request: ExtentRequest, index: number): void {
    this.#heap[index] = request;
    request.heapIndex = index;
  }

  #siftUp(start: number): void {
    let index = start;
    const request = this.#heap[index]!;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#compare(this.#heap[parent]!, request) <= 0) break;
      this.#place(this.#heap[parent]!, index);
      index = parent;
    }
    this.#place(request, index);
  }

  #siftDown(start: number): void {
    let index = start;
    const request = this.#heap[index]!;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#compare(this.#heap[child + 1]!, this.#heap[child]!) < 0) child += 1;
      if (this.#compare(request, this.#heap[child]!) <= 0) break;
      this.#place(this.#heap[child]!, index);
      index = child;
    }
    this.#place(request, index);
  }
}
