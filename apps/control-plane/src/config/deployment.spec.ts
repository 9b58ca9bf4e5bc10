/** The files of deploy/ and the Dockerfile, against what the service reads and serves and what Kubernetes takes. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Service } from 'kubernetes-models/v1/Service';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { parse, parseAllDocuments } from 'yaml';
import { readConfig } from './config.js';

const root = new URL('../../../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

const kustomization = parse(read('deploy/kubernetes/kustomization.yaml')) as { readonly resources: readonly string[] };
const manifests: readonly Manifest[] = kustomization.resources.flatMap((file) =>
  parseAllDocuments(read(`deploy/kubernetes/${file}`)).map((document) => document.toJS() as Manifest),
);

const models = { ConfigMap, Namespace, Service, Deployment, NetworkPolicy, PodDisruptionBudget };

interface Container {
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: object;
  readonly resources: { readonly requests: object; readonly limits: object };
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface PodSpec {
  readonly securityContext: object;
  readonly containers: readonly [Container];
}

type DeploymentManifest = Manifest & { readonly spec: { readonly template: { readonly spec: PodSpec } } };

const deployments = manifests.filter((manifest): manifest is DeploymentManifest => manifest.kind === 'Deployment');
const shared = (manifests.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> }).data;

const SECRET_URL = 'postgresql://holdfast:secret@postgres:5432/holdfast';

describe('the Kubernetes manifests', () => {
  it.each(manifests.map((manifest) => [manifest.kind, manifest.metadata.name, manifest] as const))(
    'hold a valid %s %s',
    (kind, _, manifest) => {
      const model = models[kind as keyof typeof models];
      expect(model).toBeDefined();
      expect(() => new model(manifest as never).validate()).not.toThrow();
    },
  );

  it('list every file of their folder', () => {
    const files = readdirSync(new URL('deploy/kubernetes', root)).filter((file) => file !== 'kustomization.yaml');
    expect(files.sort()).toEqual([...kustomization.resources].sort());
  });

  it.each(deployments.map((manifest) => [manifest.metadata.name, manifest.spec.template.spec] as const))(
    'give %s settings that the service accepts, bounds, and no rights',
    (_, { containers: [container], securityContext }) => {
      const own = container.env.map(({ name, value = SECRET_URL }) => [name, value] as const);
      const config = readConfig({ ...shared, ...Object.fromEntries(own) });
      expect(config.HOLDFAST_AUTH).toBe('keys');
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources).toMatchObject({
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      });
    },
  );

  it('publish the ports that the service listens on', () => {
    const { HOLDFAST_GRPC_ADDRESS: grpc, HOLDFAST_HTTP_ADDRESS: http } = readConfig(shared);
    const ports = deployments.map(({ spec }) => spec.template.spec.containers[0].ports);
    const httpPort = { name: 'http', containerPort: http.port };
    expect(ports).toEqual([[{ name: 'grpc', containerPort: grpc.port }, httpPort], [httpPort]]);
  });

  it('probe the start, life and readiness of each', () => {
    for (const { spec } of deployments) {
      const [container] = spec.template.spec.containers;
      const probes = (['startup', 'liveness', 'readiness'] as const).map((name) => container[`${name}Probe`].httpGet);
      expect(probes).toEqual(['startup', 'live', 'ready'].map((path) => ({ path: `/health/${path}`, port: 'http' })));
    }
  });

  it('are refused when they are wrong', () => {
    const wrong = { ...deployments[0], spec: { replicas: 'one' } };
    expect(() => new Deployment(wrong as never).validate()).toThrow();
  });
});

describe('the compose file', () => {
  const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as {
    readonly services: Readonly<
      Record<
        string,
        { readonly image: string; readonly environment?: Record<string, string>; readonly ports?: string[] }
      >
    >;
  };

  it('gives the service settings that it accepts', () => {
    const own = services['control-plane']?.environment ?? {};
    const filled = Object.entries(own).map(([name, value]) => [name, value.replaceAll(/\$\{\w+:[-?]([^}]*)\}/g, '$1')]);
    const config = readConfig(Object.fromEntries(filled) as Record<string, string>);
    expect(config.HOLDFAST_AUTH).toBe('keys');
    expect(config.HOLDFAST_ENGINES).toHaveLength(2);
  });

  it('publishes ports on the loopback alone, and names the version of every image that it does not build', () => {
    for (const { image, ports = [] } of Object.values(services)) {
      if (image !== 'holdfast') expect(image).toMatch(/:v?\d+\.\d+/);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });
});

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').split('\n');

  it('pins its base image, and runs without root', () => {
    const bases = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    expect(new Set(bases).size).toBe(1);
    expect(bases[0]).toMatch(/^node:\d+\.\d+\.\d+-/);
    expect(lines.filter((line) => line.startsWith('USER '))).toEqual(['USER 10001:10001']);
  });
});
