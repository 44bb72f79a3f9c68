import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/** Closes the output with one plain line, "12 passed, 0 failed", for whoever reads it by machine. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[], reason: TestRunEndReason): void {
    let passed = 0;
    let skipped = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      // Errors outside of a test: the file does not load, or a hook around its tests fails.
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
        else skipped++;
      }
    }
    // Nothing ran, or the run was cut short: that is not a success, even though no single test failed.
    if (failed === 0 && (reason !== 'passed' || passed === 0)) failed = 1;
    const line = `${passed} passed, ${failed} failed`;
    process.stdout.write(`\n${skipped > 0 ? `${line}, ${skipped} skipped` : line}\n`);
  }
}
