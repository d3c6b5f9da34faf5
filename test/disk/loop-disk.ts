// Owns: an ext4 of its own on a loop device, which can lose its power: what was not written through is gone, as on a machine
// that was unplugged. Needs root, loop devices, mkfs.ext4 and perl (in every Debian).
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** EXT4_IOC_SHUTDOWN, the same number as of XFS; 2 is NOLOGFLUSH: not even the file system's own log is written out. */
const shutdownScript =
  'my $flag = pack("I", 2); open(my $at, "<", $ARGV[0]) or die "open: $!"; ioctl($at, 0x8004587d, $flag) or die "shutdown: $!";';

/** What this machine lacks for a disk whose power is cut, as a sentence; undefined when nothing. */
export function missingForLoopDisks(): string | undefined {
  if (process.platform !== 'linux') return `loop devices are of Linux; this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'mounting a loop device needs root';
  if (!existsSync('/dev/loop-control')) return 'the kernel offers no loop devices (/dev/loop-control)';
  const absent = ['mkfs.ext4', 'mount', 'umount', 'perl'].filter((name) => !isInstalled(name));
  if (absent.length > 0) return `not installed: ${absent.join(', ')}`;
  return loopDeviceProblem();
}

export function isInstalled(name: string): boolean {
  const places = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`.split(':');
  return places.some((place) => place !== '' && existsSync(join(place, name)));
}

function loopDeviceProblem(): string | undefined {
  try {
    execFileSync('losetup', ['--find'], { stdio: ['ignore', 'pipe', 'pipe'] });
    return undefined;
  } catch (error) {
    return `no loop device can be had: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  readonly #image: string;
  #mounted = false;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#image = join(folder, 'disk.img');
    this.path = join(folder, 'mount');
  }

  static async make(sizeMiB: number): Promise<LoopDisk> {
    const disk = new LoopDisk(await mkdtemp(join(tmpdir(), 'signalbox-disk-')));
    await mkdir(disk.path);
    const image = await open(disk.#image, 'w');
    await image.truncate(sizeMiB * 1024 * 1024);
    await image.close();
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=1,lazy_journal_init=1', disk.#image]);
    await disk.mount();
    return disk;
  }

  async mount(): Promise<void> {
    await run('mount', ['-o', 'loop', this.#image, this.path]);
    this.#mounted = true;
  }

  /** Everything that was written so far reaches the disk. */
  async flush(): Promise<void> {
    await run('sync', ['--file-system', this.path]);
  }

  /** From now on nothing reaches the disk any more, and what had not reached it is lost. */
  async cutPower(): Promise<void> {
    await run('perl', ['-e', shutdownScript, this.path]);
  }

  /** Whoever has files open must be dead. */
  async unmount(): Promise<void> {
    if (!this.#mounted) return;
    for (let tries = 0; ; tries += 1) {
      try {
        await run('umount', [this.path]);
        this.#mounted = false;
        return;
      } catch (error) {
        if (tries >= 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async remove(): Promise<void> {
    await this.unmount();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
