/** Operations remembered. */
const MOST_OPERATIONS = 1_024;

/** The same operation twice has one effect and one answer. */
export class AnsweredOperations {
  readonly #answers = new Map<string, unknown>();

  /** Modifies state. Runs an operation, unless one of this id was run before; an empty id is never remembered. */
  once<Answer>(operationId: string, run: () => Answer): Answer {
    if (operationId !== '' && this.#answers.has(operationId)) return this.#answers.get(operationId) as Answer;
    const answer = run();
    if (operationId === '') return answer;
    this.#answers.set(operationId, answer);
    if (this.#answers.size > MOST_OPERATIONS) {
      const [oldest] = this.#answers.keys();
      this.#answers.delete(oldest!);
    }
    return answer;
  }
}
