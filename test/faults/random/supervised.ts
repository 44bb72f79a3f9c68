import { setTimeout as delay } from 'node:timers/promises';
import { spawnProcess, type TestProcess, waitFor } from '../../support/setup.ts';

/** Between an end and the next start, in ms. */
const RESTART_MS = 300;

/** A process that is started again whenever it ends, as every orchestrator does. */
export class Supervised {
  readonly #name: string;
  readonly #env: Readonly<Record<string, string>>;
  #process: TestProcess;
  #isStopping = false;
  readonly #running: Promise<void>;

  constructor(name: 'api' | 'manager' | 'worker', env: Readonly<Record<string, string>>) {
    this.#name = name;
    this.#env = env;
    this.#process = spawnProcess([name], env);
    this.#running = this.#keepRunning();
  }

  /** Waits until the process that runs now works. */
  async started(): Promise<void> {
    await this.#process.waitForOutput(/"msg":"started"/);
  }

  async kill(): Promise<void> {
    await this.#process.kill('SIGKILL');
  }

  pause(): void {
    void this.#process.kill('SIGSTOP');
  }

  resume(): void {
    void this.#process.kill('SIGCONT');
  }

  /** Ends it in order, and waits until its successor works. @returns its exit code */
  async restart(): Promise<number | null> {
    const before = this.#process;
    const { code } = await before.kill('SIGTERM');
    await waitFor(() => this.#process !== before, { what: 'it is started again' });
    await this.started();
    return code;
  }

  /** Ends it in order. @returns its exit code */
  async stop(): Promise<number | null> {
    this.#isStopping = true;
    const { code } = await this.#process.kill('SIGTERM');
    await this.#running;
    return code;
  }

  async #keepRunning(): Promise<void> {
    while (!this.#isStopping) {
      await this.#process.exit;
      if (this.#isStopping) return;
      await delay(RESTART_MS);
      if (!this.#isStopping) this.#process = spawnProcess([this.#name], this.#env);
    }
  }
}
