/** Tokens that tenants have pinned, over all engines. */
export class TenantPins {
  readonly #pins = new Map<string, { readonly tenantId: string; readonly tokens: number }>();
  readonly #tokens = new Map<string, number>();

  /** Tokens. */
  pinnedBy(tenantId: string): number {
    return this.#tokens.get(tenantId) ?? 0;
  }

  /** Modifies state. */
  set(pinId: string, tenantId: string, tokens: number): void {
    this.#pins.set(pinId, { tenantId, tokens });
    this.#add(tenantId, tokens);
  }

  /** Modifies state. A pin that is not known is nothing to end. */
  ended(pinId: string): void {
    const pin = this.#pins.get(pinId);
    if (pin === undefined) return;
    this.#pins.delete(pinId);
    this.#add(pin.tenantId, -pin.tokens);
  }

  #add(tenantId: string, change: number): void {
    const tokens = this.pinnedBy(tenantId) + change;
    if (tokens === 0) this.#tokens.delete(tenantId);
    else this.#tokens.set(tenantId, tokens);
  }
}
