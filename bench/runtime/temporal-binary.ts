// Owns: getting Temporal's command line, which is nowhere to be had ready made: built once from its Go module into the cache.
import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { machine } from '../../local/assets/binaries.ts';
import { buildBinary } from '../../local/assets/build.ts';
import { cacheFolder } from '../../local/assets/resolve.ts';
import { projectRoot } from '../../local/plane/paths.ts';

/** The newest that builds as a dependency; later ones replace a module by a local folder. */
const version = '1.5.1';

export async function temporalBinary(): Promise<{ readonly path: string; readonly version: string }> {
  const { os, arch } = machine();
  const path = join(cacheFolder(), `temporal-${version}-${os}-${arch}`);
  const there = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!there) {
    process.stderr.write('building Temporal from its Go module, once; it takes some minutes …\n');
    await mkdir(cacheFolder(), { recursive: true });
    const binary = { module: 'temporal', goPackage: 'github.com/temporalio/cli/cmd/temporal', goLinkerFlags: '' };
    await buildBinary(binary, join(projectRoot(), 'tools', 'assets'), path).catch((cause: Error) => {
      throw new Error(`Temporal cannot be built: ${cause.message}; install Go 1.26 or later`, { cause });
    });
  }
  return { path, version };
}
