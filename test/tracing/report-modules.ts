import { registerHooks } from 'node:module';

// Says at the end which packages a process has loaded.
const packages = new Set<string>();

registerHooks({
  load: (url, context, nextLoad) => {
    const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
    if (name) packages.add(name);
    return nextLoad(url, context);
  },
});

process.on('exit', () => process.stdout.write(`modules loaded: ${[...packages].join(', ')}\n`));
