/** The package as a program gets it: packed, and installed into a clean folder. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { DEADLINE_MS, PACKAGE, platform, Server, temporary } from "./support.js";

const run = promisify(execFile);
const skip = platform === "web" && "it runs with the client for Node.js";

void test("the packed package works in a clean folder", { skip, timeout: 4 * DEADLINE_MS }, async () => {
  const folder = temporary("install");
  fs.mkdirSync(path.join(folder, "wall"), { recursive: true });
  const npm = (cwd: string, ...args: string[]) =>
    run("npm", [...args, "--ignore-scripts", "--no-audit", "--no-fund"], { cwd });
  await npm(PACKAGE, "pack", "--pack-destination", folder);
  const [tarball] = fs.readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  assert.equal(tarball, "frameway-0.1.0.tgz");
  fs.writeFileSync(
    path.join(folder, "package.json"),
    JSON.stringify({ name: "program", private: true, type: "module" }),
  );
  await npm(folder, "install", "--prefer-offline", `./${tarball}`);
  const installed = fs.readdirSync(path.join(folder, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["@bufbuild", "@connectrpc", "frameway"]);

  for (const name of ["submit-and-subscribe.ts", "wall/wall.ts"]) {
    fs.copyFileSync(path.join(PACKAGE, "samples", name), path.join(folder, name));
  }
  writeReadme(folder);
  const types = path.join(PACKAGE, "node_modules/@types");
  const compiler = {
    target: "ES2022",
    module: "NodeNext",
    strict: true,
    types: ["node"],
    typeRoots: [types],
    outDir: "out",
  };
  fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: compiler }));
  await run(process.execPath, [path.join(PACKAGE, "node_modules/typescript/bin/tsc")], { cwd: folder });

  const server = await Server.start();
  const { stdout } = await run(process.execPath, ["out/submit-and-subscribe.js", server.address], { cwd: folder });
  assert.equal(stdout.match(/^road-1 \d+: image\/jpeg 64x48/gm)?.length, 10, stdout);

  const common = { bundle: true, format: "esm", platform: "browser", absWorkingDir: folder, write: false } as const;
  const { outputFiles } = await build({ ...common, entryPoints: ["wall/wall.ts"], minify: true, metafile: true });
  const size = outputFiles[0]?.contents.length ?? 0;
  assert.ok(size > 10_000 && size < 300_000, `the bundle has ${size} bytes`);
});

/** Writes each program of the README to a file, with declarations of what it leaves to the reader. */
function writeReadme(folder: string): void {
  const readme = fs.readFileSync(path.join(PACKAGE, "README.md"), "utf8");
  const programs = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, program]) => program ?? "");
  assert.equal(programs.length, 6);
  const left: [RegExp, string][] = [
    [/ readFile }/, 'import { readFile } from "node:fs/promises";'],
    [/ connect\b.*from/, 'import { connect } from "frameway/node";'],
    [/const frameway =/, 'declare const frameway: import("frameway/node").Client;'],
    [/const key =/, "declare const key: string;"],
    [
      /function canvasOf/,
      "declare function canvasOf(streamId: string): { getContext(kind: string): CanvasRenderingContext2D };",
    ],
  ];
  programs.forEach((program, index) => {
    const lines = left.filter(([stated]) => !stated.test(program)).map(([, line]) => line);
    fs.writeFileSync(path.join(folder, `readme-${index}.ts`), [...lines, program, "export {};"].join("\n"));
  });
}
