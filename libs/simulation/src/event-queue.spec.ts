import { describe, expect, it } from '@jest/globals';
import { instant } from '@holdfast/scheduling';
import { EventPriority, EventQueue } from './event-queue.js';

const drain = (queue: EventQueue<string>): string[] => {
  const order: string[] = [];
  for (let event = queue.pop(); event !== undefined; event = queue.pop()) order.push(event.payload);
  return order;
};

describe('event queue', () => {
  it('orders by time, then priority, then insertion', () => {
    const queue = new EventQueue<string>();
    queue.push(instant(20), EventPriority.stepFinished, 'late');
    queue.push(instant(10), EventPriority.stepStarted, 'step');
    queue.push(instant(10), EventPriority.programArrived, 'first arrival');
    queue.push(instant(10), EventPriority.programArrived, 'second arrival');
    queue.push(instant(10), EventPriority.stepFinished, 'end of step');
    expect(queue.nextAt).toBe(10);
    expect(drain(queue)).toEqual(['end of step', 'first arrival', 'second arrival', 'step', 'late']);
    expect(queue.nextAt).toBeNull();
    expect(queue.pop()).toBeUndefined();
  });

  it('refuses a time that is not a number', () => {
    const queue = new EventQueue<string>();
    expect(() => queue.push(instant(Number.NaN), 1, 'x')).toThrow(/event at NaN/);
    expect(queue.size).toBe(0);
  });
});
