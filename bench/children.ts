import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

/** Processes of one system. They are told to stop, and awaited, by `stop`. */
export class Children {
  readonly #children = new Set<ChildProcess>();

  /**
   * Starts a Node program and returns once its output says that it is ready.
   *
   * @param isReady text that it prints then
   * @throws Error when it ends before
   */
  async start(args: readonly string[], env: NodeJS.ProcessEnv, isReady: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, args, {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.add(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        if (chunk.includes(isReady)) resolve();
      });
      child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code} before it was ready`)));
    });
    return child;
  }

  /** @param children Default: all */
  async stop(children: readonly ChildProcess[] = [...this.#children]): Promise<void> {
    await Promise.all(
      children.map(async (child) => {
        if (!this.#children.delete(child) || child.exitCode !== null) return;
        const exited = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await exited;
      }),
    );
  }
}
