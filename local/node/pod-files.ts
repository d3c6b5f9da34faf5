// Owns: the volumes of one Pod over its life: filled before the first start, replaced when a source changes, tokens
// requested with the Pod bound to them and renewed at 80 % of their life.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kube } from '../../ports/kube.ts';
import { SERVICE_ACCOUNT } from '../../ports/resources.ts';
import type { Sources } from './environment.ts';
import type { Pod, TokenSource } from './pod-spec.ts';
import { makeEmptyVolume, replaceVolume, sameFiles, volumeFiles, type VolumeFiles } from './volumes.ts';

const renewAtShare = 0.8;

interface HeldToken {
  readonly token: string;
  readonly renewAtMs: number;
}

interface TokenAnswer {
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}

export interface PodFilesOptions {
  readonly kube: Kube;
  readonly folder: string;
  readonly podIP: string;
  readonly sources: Sources;
}

export class PodFiles {
  readonly #options: PodFilesOptions;
  readonly #held = new Map<string, VolumeFiles>();
  readonly #tokens = new Map<string, HeldToken>();
  #version = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PodFilesOptions) {
    this.#options = options;
  }

  /** Brings every volume up to date; one call at a time. Throws MissingSource while a source is absent. */
  refresh(pod: Pod): Promise<void> {
    const mine = this.#turn.catch(() => undefined).then(() => this.#refresh(pod));
    this.#turn = mine;
    return mine;
  }

  async remove(): Promise<void> {
    await this.#turn.catch(() => undefined);
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  async #refresh(pod: Pod): Promise<void> {
    const { folder, podIP, sources } = this.#options;
    await mkdir(join(folder, 'volumes'), { recursive: true, mode: 0o700 });
    const token = (source: TokenSource): Promise<string> => this.#token(pod, source);
    for (const volume of pod.spec.volumes ?? []) {
      const files = await volumeFiles(volume, { pod, podIP, sources, token });
      const held = this.#held.get(volume.name);
      if (files === undefined) await makeEmptyVolume(folder, volume.name);
      else if (held === undefined || !sameFiles(held, files)) {
        this.#version += 1;
        await replaceVolume(folder, volume.name, files, this.#version);
        this.#held.set(volume.name, files);
      }
    }
  }

  async #token(pod: Pod, source: TokenSource): Promise<string> {
    const id = `${source.audience ?? ''} ${source.expirationSeconds ?? ''}`;
    const held = this.#tokens.get(id);
    if (held !== undefined && Date.now() < held.renewAtMs) return held.token;
    try {
      const fresh = await this.#request(pod, source);
      this.#tokens.set(id, fresh);
      return fresh.token;
    } catch (error) {
      // An old token is better than none: it is valid for another fifth of its life, and the next refresh asks again.
      if (held !== undefined) return held.token;
      throw error;
    }
  }

  async #request(pod: Pod, source: TokenSource): Promise<HeldToken> {
    const { namespace, name, uid } = pod.metadata;
    const askedAtMs = Date.now();
    const answer = await this.#options.kube.post<TokenAnswer>(
      SERVICE_ACCOUNT,
      { namespace, name: pod.spec.serviceAccountName ?? 'default' },
      'token',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          ...(source.audience === undefined ? {} : { audiences: [source.audience] }),
          expirationSeconds: source.expirationSeconds ?? 3600,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
        },
      },
    );
    const lifeMs = Date.parse(answer.status.expirationTimestamp) - askedAtMs;
    return { token: answer.status.token, renewAtMs: askedAtMs + lifeMs * renewAtShare };
  }
}
