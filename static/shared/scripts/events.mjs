// Write src/events.ts from docs/reference/asyncapi.json; with --check, only tell whether it is in step.

import { readFileSync, writeFileSync } from 'node:fs';

const SOURCE = new URL('../../../docs/reference/asyncapi.json', import.meta.url);
const TARGET = new URL('../src/events.ts', import.meta.url);

/** Answer the TypeScript of one JSON schema; what it does not know it refuses, rather than guess. */
function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' | ');
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      return `readonly (${schema.items ? typeOf(schema.items) : 'unknown'})[]`;
    case 'object':
      return schema.additionalProperties && !schema.properties
        ? `Readonly<Record<string, ${schema.additionalProperties === true ? 'unknown' : typeOf(schema.additionalProperties)}>>`
        : fields(schema);
    case undefined:
      return 'unknown';
    default:
      throw new Error(`no TypeScript for ${JSON.stringify(schema)}`);
  }
}

function literal(value) {
  return typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : String(value);
}

/** The hub always sends a field that has a default; only what has neither may be missing. */
function fields(schema) {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const there = required.has(name) || 'default' in field;
    return `  readonly ${key(name)}${there ? '' : '?'}: ${typeOf(field)};`;
  });
  return lines.length ? `{\n${lines.join('\n')}\n}` : 'Readonly<Record<string, never>>';
}

function key(name) {
  return /^[A-Za-z_]\w*$/.test(name) ? name : literal(name);
}

function comment(text) {
  return text ? `/** ${text.replaceAll('``', '`').replaceAll(/\s+/g, ' ').trim()} */\n` : '';
}

function declaration(name, schema) {
  const body = typeOf(schema);
  const object = body.startsWith('{');
  const head = object ? `export interface ${name} ` : `export type ${name} = `;
  return `${comment(schema.description)}${head}${body}${object ? '' : ';'}\n`;
}

/** Answer the name of the schema that a message carries. */
function payload(document, name) {
  return typeOf(document.components.messages[name].payload);
}

function generate(document) {
  const { rpc, ...channels } = document.channels;
  const heard = Object.entries(channels).map(([name, channel]) => {
    const events = Object.keys(channel.messages).map((message) => payload(document, message));
    return `  ${comment(channel.description)}  ${key(name)}: ${events.join(' | ') || 'never'};`;
  });
  const addresses = Object.values(channels).map((channel) =>
    channel.parameters ? `\`${channel.address.replace(/\{\w+\}/, '${string}')}\`` : literal(channel.address),
  );
  const methods = Object.keys(rpc.messages)
    .filter((name) => !name.endsWith('.result'))
    .map((name) => {
      const [params, result] = [payload(document, name), payload(document, `${name}.result`)];
      const summary = comment(document.components.messages[name].summary);
      return `  ${summary}  ${literal(name)}: { params: ${params}; result: ${result} };`;
    });
  return [
    '// Written by scripts/events.mjs from docs/reference/asyncapi.json. Do not edit.\n',
    ...Object.entries(document.components.schemas).map(([name, schema]) => declaration(name, schema)),
    `/** What may be heard, by namespace. */\nexport interface ChannelEvents {\n${heard.join('\n')}\n}\n`,
    `/** Names of channels. */\nexport type ChannelName =\n  | ${addresses.join('\n  | ')};\n`,
    `/** What may be asked over the connection. */\nexport interface Methods {\n${methods.join('\n')}\n}\n`,
  ].join('\n');
}

const text = generate(JSON.parse(readFileSync(SOURCE, 'utf8')));
if (!process.argv.includes('--check')) {
  writeFileSync(TARGET, text);
} else if (readFileSync(TARGET, 'utf8') !== text) {
  console.error('src/events.ts is not what docs/reference/asyncapi.json says; run: npm run events -w shared');
  process.exit(1);
}
