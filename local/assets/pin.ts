// Prints the SHA-256 that each origin publishes, as entries for checksums.ts. For maintainers, on a connected machine.
import { binaries } from './binaries.ts';
import { publishedChecksum } from './download.ts';

for (const binary of binaries()) {
  const line = await publishedChecksum(binary).then(
    (sum) => `  '${binary.download.url}': '${sum}',`,
    (error: Error) => `  // ${binary.name}: ${error.message}`,
  );
  process.stdout.write(`${line}\n`);
}
