import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Cluster, Redis } from "ioredis";
import { Redis as Valkey, Cluster as ValkeyCluster } from "iovalkey";
import { createClient, createCluster } from "redis";
import { redisTier } from "../../src/adapters/redis.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";
import { RedisCluster } from "./cluster.ts";
import { heard } from "./fleet.ts";
import { freePort, RedisServer } from "./server.ts";

const PASSWORD = "correct horse";
/** What the certificate is for; the server has no such address. */
const NAME = "cache.internal";

/** A certificate that vouches for itself, and its key, as files. */
function certificate(folder: string, name: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ["-subj", "/CN=test", "-addext", `subjectAltName=DNS:${NAME}`];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const { status, error, stderr } = spawnSync("openssl", [
    "req",
    ...kind,
    ...["-keyout", key, "-out", cert],
    ...subject,
  ]);
  assert.equal(status, 0, `these tests need openssl (Debian: apt-get install openssl): ${error ?? stderr}`);
  return { cert, key };
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** How a server's certificate is looked at, and who asks. */
interface Settings {
  readonly ca: Buffer;
  readonly servername: string;
  readonly password?: string;
}

const USER = "app";
const LIBRARIES = {
  redis: {
    connect: async ({ host, port }: Place, { password = PASSWORD, ...tls }: Settings) => {
      const client = createClient({
        username: USER,
        password,
        socket: { host, port, tls: true, ...tls, reconnectStrategy: false },
      });
      client.on("error", () => undefined);
      await client.connect();
      return { client, end: () => client.destroy() };
    },
    connectCluster: async (places: readonly Place[], { password = PASSWORD, ...tls }: Settings) => {
      const client = createCluster({
        rootNodes: places.map((place) => ({ socket: { ...place, tls: true, ...tls } })),
        defaults: { username: USER, password, socket: { tls: true, ...tls } },
      });
      client.on("error", () => undefined);
      await client.connect();
      return { client, end: () => client.destroy() };
    },
  },
  ...Object.fromEntries(
    Object.entries({ ioredis: { Redis, Cluster }, iovalkey: { Redis: Valkey, Cluster: ValkeyCluster } }).map(
      ([name, library]) => {
        const Client = library.Redis as typeof Redis;
        const Many = library.Cluster as typeof Cluster;
        const connect = ({ host, port }: Place, { password = PASSWORD, ...tls }: Settings) => {
          const client = new Client({ username: USER, password, host, port, tls, retryStrategy: () => 50 });
          client.on("error", () => undefined);
          return Promise.resolve({ client, end: () => client.disconnect() });
        };
        const connectCluster = (places: readonly Place[], { password = PASSWORD, ...tls }: Settings) => {
          const client = new Many([...places], {
            redisOptions: { username: USER, password, tls },
            clusterRetryStrategy: () => 50,
          });
          client.on("error", () => undefined);
          return Promise.resolve({ client, end: () => client.disconnect() });
        };
        return [name, { connect, connectCluster }];
      },
    ),
  ),
};

describe("a tier by TLS", () => {
  const folder = freshPath();
  let good: Settings;
  let other: Buffer;
  let server: RedisServer;
  let cluster: RedisCluster;
  let port: number;
  before(async () => {
    mkdirSync(folder);
    const { cert, key } = certificate(folder, "server");
    good = { ca: readFileSync(cert), servername: NAME };
    other = readFileSync(certificate(folder, "other").cert);
    const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert];
    const tls = [...files, "--tls-auth-clients", "no"];
    port = await freePort();
    server = await RedisServer.start(["--tls-port", String(port), ...tls]);
    cluster = await RedisCluster.start({ tls });
    for (const one of [server, ...cluster.servers])
      await one.command(["ACL", "SETUSER", USER, "on", `>${PASSWORD}`, "~*", "&*", "+@all"]);
  });
  after(async () => {
    await server.stop();
    await cluster.stop();
  });

  function places(): Place[] {
    return cluster.nodes.map(({ tlsPort }) => ({ host: "127.0.0.1", port: tlsPort }));
  }

  async function works(connect: () => Promise<{ client: object; end(): void }>): Promise<void> {
    const ends: (() => unknown)[] = [];
    try {
      const caches: CompressedCache[] = [];
      for (let i = 0; i < 2; i++) {
        const { client, end } = await connect();
        ends.push(end);
        const tier = await redisTier(client, { heartbeatMs: 100 });
        ends.push(() => tier.close());
        const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier });
        ends.push(() => cache.close());
        await heard(cache);
        caches.push(cache);
      }
      const [a, b] = caches;
      const keys = Array.from({ length: 30 }, (_, number) => `key ${number}`);
      for (const value of [1, 2]) {
        for (const key of keys) a.set(key, value);
        await a.flush();
        await until("b is told", () => keys.every((key) => b.get(key) === undefined));
        for (const key of keys) assert.equal(await b.getAsync(key), value);
      }
      const all = await Promise.all(
        [server, ...cluster.servers].map((one) => one.command(["CLIENT", "LIST"])),
      );
      const theirs = all.flatMap((list) =>
        list.split("\n").filter((line) => / cmd=(?!client\|list)/.test(line)),
      );
      const ports = [port, ...places().map((place) => place.port)];
      for (const line of theirs) {
        assert.match(line, /user=app /);
        assert.ok(ports.includes(Number(/laddr=\S+:(\d+)/.exec(line)?.[1])), line);
      }
      assert.ok(theirs.length >= 2 * caches.length, "each has a line");
    } finally {
      for (const end of ends.reverse()) await end();
    }
  }

  /** @param says - what the error is to say, and no later than a call takes. */
  async function fails(connect: () => Promise<{ client: object; end(): void }>, says: RegExp): Promise<void> {
    let end = (): void => undefined;
    const open = async (): Promise<void> => {
      const connected = await connect();
      end = connected.end;
      await redisTier(connected.client, { timeoutMs: 60_000 });
    };
    try {
      await assert.rejects(open, says);
    } finally {
      end();
    }
  }

  for (const [name, { connect, connectCluster }] of Object.entries(LIBRARIES)) {
    it(`works with one server, all its connections as the user's, by ${name}`, async () => {
      await works(() => connect({ host: "127.0.0.1", port }, good));
    });

    it(`works with a cluster, by ${name}`, async () => {
      await works(() => connectCluster(places(), good));
    });

    it(`another authority, name or password is an error that says so at once, by ${name}`, async () => {
      // A cluster's client of redis fails to connect, and says no more.
      const isMute = name === "redis";
      for (const [tls, says] of [
        [{ ...good, ca: other }, /self-signed certificate/],
        [{ ...good, servername: "elsewhere" }, /does not match certificate/],
        [{ ...good, password: "wrong" }, /WRONGPASS/],
      ] as const) {
        await fails(() => connect({ host: "127.0.0.1", port }, tls), says);
        await fails(() => connectCluster(places(), tls), isMute ? /root nodes are unavailable/ : says);
      }
    });
  }
});
