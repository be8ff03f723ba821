import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

// Checks that the docs say what is there: links lead somewhere, examples are described and tested, every command, room and
// decision has its place, every clause of the protocols a test. Prints each fault and exits with 1 if there is one.

const root = join(import.meta.dirname, '..');
const faults: string[] = [];

const { default: cruise } = (await import(join(root, '.dependency-cruiser.mjs'))) as {
  readonly default: { readonly forbidden: readonly { readonly name: string; readonly comment: string }[] };
};

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** Files below `folder` whose names end in `suffix`, by their path from the root. */
function filesBelow(folder: string, suffix: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(folder, name));
}

const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'protos/README.md', ...filesBelow('docs', '.md')];
const prose = pages.map((page) => read(page)).join('\n');

/** The text without code, in which brackets mean something else. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

/** The anchors that a page's headings have on the web. */
function anchorsOf(page: string): Set<string> {
  const headings = read(page).matchAll(/^#+ +(.*)$/gm);
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
  return new Set([...headings].map(([, heading = '']) => slug(heading)));
}

function checkLinks(page: string): void {
  for (const [, target = ''] of withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(root, file))) faults.push(`${page}: the link to ${target} leads nowhere`);
    else if (anchor && !anchorsOf(file).has(anchor)) faults.push(`${page}: ${file} has no heading for #${anchor}`);
  }
}

function checkExamples(): void {
  const tests = filesBelow('test', '.test.ts').map((file) => read(file));
  const readsAll = tests.some((test) => test.includes('docs/examples'));
  for (const example of filesBelow('docs/examples', '.yml')) {
    if (!prose.includes(`${relative('docs', example)})`)) faults.push(`${example}: no page links to it`);
    if (!readsAll) faults.push(`${example}: no test reads docs/examples`);
  }
}

function checkCommands(): void {
  const described = read('docs/cli.md');
  for (const file of filesBelow('src/commands', '.ts')) {
    const command = `bgd ${relative('src/commands', file).replace(/\.ts$/, '').replaceAll('/', ' ')}`;
    if (!described.includes(command)) faults.push(`docs/cli.md: ${command} is missing`);
  }
}

/** Rows of the first table of `page` that has `heading` as its first column, by their first cell. */
function tableRows(page: string, heading: string): Map<string, readonly string[]> {
  const rows = read(page)
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
  const start = rows.findIndex((cells) => cells[1] === heading);
  const end = rows.findIndex((cells, index) => index > start && cells.length < 3);
  return new Map(rows.slice(start + 2, end).map((cells) => [cells[1] ?? '', cells.slice(2)]));
}

/** What the gate allows a room to import, as its rule says it. */
function allowedImports(room: string): string | undefined {
  const rule = cruise.forbidden.find(({ name }) => name === `${room}-imports`);
  return /may import (.*)\. To move/.exec(rule?.comment ?? '')?.[1];
}

/** Each room stands in the architecture with the imports that the gate allows it. */
function checkRooms(): void {
  const rows = tableRows('docs/architecture.md', 'room');
  const rooms = readdirSync(join(root, 'src'));
  for (const room of rooms) {
    const described = rows.get(`${room}/`)?.[1];
    const allowed = allowedImports(room);
    if (described === undefined) faults.push(`docs/architecture.md: the room ${room}/ is missing`);
    else if (described !== allowed) {
      faults.push(
        `docs/architecture.md: ${room}/ may import ${allowed ?? 'nothing: it has no rule'}, not ${described}`,
      );
    }
  }
  const gone = [...rows.keys()].filter((room) => !rooms.includes(room.replace('/', '')));
  for (const room of gone) faults.push(`docs/architecture.md: there is no room ${room}`);
}

function checkDecisions(): void {
  const records = filesBelow('docs/adr', '.md').filter((file) => !file.endsWith('README.md'));
  const listed = read('docs/adr/README.md');
  for (const [index, record] of records.entries()) {
    const number = String(index + 1).padStart(4, '0');
    const name = relative('docs/adr', record);
    if (!name.startsWith(`${number}-`)) faults.push(`${record}: number ${number} is wanted here`);
    if (!listed.includes(`(${name})`)) faults.push(`docs/adr/README.md: ${name} is missing`);
    for (const part of ['Context', 'Decision', 'Consequences', 'Alternatives']) {
      if (!read(record).includes(`\n## ${part}\n`)) faults.push(`${record}: the part ${part} is missing`);
    }
  }
}

/** Which clauses of the protocols the code of a test names: `DIG-1`, `DIG-1 to DIG-3`. Comments do not count. */
function clausesIn(code: string): string[] {
  const clause = /\b(DIG|INST|CAS|BS|AC|CAP|RM|RT|EX|CMD|OP|RW|CL|AS|BST)-(\d+)(?: to \1-(\d+))?/g;
  const titles = code.replace(/^\s*(\/\/|\/?\*).*$/gm, '').replace(/ \/\/ .*$/gm, '');
  return [...titles.matchAll(clause)].flatMap(([, family = '', first = '', last = first]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => `${family}-${Number(first) + index}`),
  );
}

/** Each clause of the protocols is cited by a test, and nothing else is. */
function checkClauses(): void {
  const clauses = JSON.parse(read('test/clauses.json')) as Readonly<Record<string, string>>;
  const cited = new Map<string, string>();
  for (const file of filesBelow('test', '.ts').filter((name) => /\.test\.ts$|\/contract\//.test(name))) {
    for (const clause of clausesIn(read(file))) cited.set(clause, file);
  }
  for (const [clause, words] of Object.entries(clauses)) {
    if (!cited.has(clause)) faults.push(`test/clauses.json: no test cites ${clause}, ${words}`);
  }
  for (const [clause, file] of cited) {
    if (!(clause in clauses)) faults.push(`${file}: test/clauses.json knows no clause ${clause}`);
  }
}

for (const page of pages) checkLinks(page);
checkExamples();
checkCommands();
checkRooms();
checkDecisions();
checkClauses();
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
