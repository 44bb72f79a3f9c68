import { Factory } from './factory.ts';
import { type SetupOptions, setup, type TestApp } from './setup.ts';

export interface FactoryApp extends TestApp {
  readonly factory: Factory;
}

/** A TaskFlow with open shards and a factory. Nobody leads, works or serves: tests take each step by themselves. */
export const setupFactory = async (options: SetupOptions = {}): Promise<FactoryApp> => {
  const app = await setup(options);
  const factory = new Factory(app);
  await factory.openShards();
  const close = async (): Promise<void> => {
    await factory.close();
    await app.close();
  };
  return { ...app, factory, close, [Symbol.asyncDispose]: close };
};
