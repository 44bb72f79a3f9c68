import { Counter, Gauge } from 'prom-client';
import type { Registry } from './registry.ts';

/** What the router of an api process says of itself; counts since it began. */
export interface RealtimeFigures {
  readonly subscribers: number;
  readonly delivered: number;
}

/** Shows what the router delivers, and how many sockets are open. */
export const showRealtime = (registry: Registry, figures: () => RealtimeFigures, sockets: () => number): void => {
  const registers = [registry];
  new Gauge({
    name: 'taskflow_subscribers',
    help: 'Subscribers to the transitions of tasks on this process.',
    registers,
    collect() {
      this.set(figures().subscribers);
    },
  });
  new Counter({
    name: 'taskflow_transitions_delivered_total',
    help: 'Transitions that were handed to subscribers: one that three watch counts three times.',
    registers,
    collect() {
      this.reset();
      this.inc(figures().delivered);
    },
  });
  new Gauge({
    name: 'taskflow_websockets',
    help: 'Open WebSockets.',
    registers,
    collect() {
      this.set(sockets());
    },
  });
};
