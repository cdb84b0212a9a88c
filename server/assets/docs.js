// Shows /openapi.json as a page one can read. No framework, no foreign host, no eval.
"use strict";

const VERBS = ["get", "post", "put", "patch", "delete", "head"];
const ACCESS = { signed_in: "须登录", self_service: "须登录（停职可用）" };

/** Make an element: make("p", {class: "quiet"}, "text", child, …). Strings become text, never HTML. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Follow a reference to a shared schema. */
function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return api.components.schemas[schema.$ref.split("/").pop()] || {};
}

/** Say in a few words what a schema allows. */
function describe(api, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const choices = schema.anyOf || schema.oneOf;
  if (choices) return choices.map((choice) => describe(api, choice)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return describe(api, schema.items) + "[]";
  if (schema.prefixItems) return "[" + schema.prefixItems.map((it) => describe(api, it)).join(", ") + "]";
  const bounds = [];
  if (schema.format) bounds.push(schema.format);
  if (schema.minLength !== undefined || schema.maxLength !== undefined)
    bounds.push(`${schema.minLength ?? 0}–${schema.maxLength ?? "∞"} 字`);
  if (schema.minimum !== undefined || schema.maximum !== undefined)
    bounds.push(`${schema.minimum ?? "−∞"} … ${schema.maximum ?? "∞"}`);
  if (schema.pattern) bounds.push(schema.pattern);
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  return bounds.length ? `${type} (${bounds.join(", ")})` : type;
}

function table(heading, rows) {
  if (!rows.length) return null;
  const body = rows.map(([name, must, type, about]) =>
    make("tr", {},
      make("td", must ? { class: "must" } : {}, make("code", {}, name)),
      make("td", {}, make("code", {}, type)),
      make("td", { class: "quiet" }, about || "")));
  return make("section", {}, make("h4", {}, heading), make("table", {}, make("tbody", {}, ...body)));
}

function fields(api, schema) {
  const whole = resolve(api, schema);
  const required = new Set(whole.required || []);
  return Object.entries(whole.properties || {}).map(([name, shape]) => {
    const fallback = shape.default === undefined || shape.default === null ? "" : `默认 ${JSON.stringify(shape.default)}`;
    return [name, required.has(name), describe(api, shape), shape.description || fallback];
  });
}

function content(part) {
  const kinds = Object.entries((part && part.content) || {});
  return kinds.length ? { kind: kinds[0][0], schema: kinds[0][1].schema } : null;
}

function marks(endpoint) {
  const found = [];
  if (endpoint["x-permission"]) found.push("权限 " + endpoint["x-permission"]);
  else found.push(ACCESS[endpoint["x-access"]] || "公开");
  if (endpoint["x-step-up"]) found.push("须再次验证身份");
  if (endpoint.parameters.some((it) => it.name === "Idempotency-Key")) found.push("可带 Idempotency-Key");
  return make("ul", { class: "tags" }, ...found.map((text) => make("li", {}, text)));
}

function card(api, path, verb, endpoint) {
  const body = content(endpoint.requestBody);
  const [status, good] = Object.entries(endpoint.responses).find(([code]) => code < "400");
  const answer = content(good);
  const parameters = endpoint.parameters
    .filter((it) => it.in !== "header")
    .map((it) => [it.name, it.required, describe(api, it.schema), it.in === "path" ? "路径" : "查询"]);
  return make("article", { class: "endpoint", id: endpoint.operationId },
    make("h3", {}, make("span", { class: "verb " + verb }, verb), make("code", {}, path)),
    make("p", {}, endpoint.summary || "", endpoint.description ? make("br", {}) : null, endpoint.description || ""),
    marks(endpoint),
    table("参数", parameters),
    body ? table(`请求体 ${describe(api, body.schema)}`, fields(api, body.schema)) : null,
    answer
      ? table(`${status} → ${answer.schema ? describe(api, answer.schema) : answer.kind}`, fields(api, answer.schema)) ||
        make("h4", {}, `${status} → ${answer.schema ? describe(api, answer.schema) : answer.kind}`)
      : make("h4", {}, `${status} 无内容`));
}

function show(api) {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths))
    for (const verb of VERBS.filter((it) => item[it])) {
      const tag = item[verb].tags[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push({ path, verb, endpoint: item[verb] });
    }
  const endpoints = document.getElementById("endpoints");
  const contents = document.getElementById("contents");
  endpoints.replaceChildren();
  const rows = [];
  for (const [tag, list] of [...groups].sort(([a], [b]) => a.localeCompare(b))) {
    endpoints.append(make("h2", { id: "tag-" + tag }, tag));
    const links = list.map(({ path, verb, endpoint }) => {
      const shown = card(api, path, verb, endpoint);
      endpoints.append(shown);
      const link = make("li", {}, make("a", { href: "#" + endpoint.operationId },
        make("span", { class: "verb " + verb }, verb), path.replace("/api/v1", "")));
      const text = [verb, path, endpoint.summary, endpoint["x-permission"]].join(" ").toLowerCase();
      rows.push({ shown, link, text });
      return link;
    });
    contents.append(make("h2", {}, tag), make("ul", {}, ...links));
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const sought = event.target.value.trim().toLowerCase();
    for (const { shown, link, text } of rows) shown.hidden = link.hidden = !text.includes(sought);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

fetch("/openapi.json")
  .then((answer) => answer.ok ? answer.json() : Promise.reject(new Error(String(answer.status))))
  .then(show)
  .catch((error) => {
    document.getElementById("endpoints").replaceChildren(make("p", {}, "接口定义未能载入：" + error.message));
  });
