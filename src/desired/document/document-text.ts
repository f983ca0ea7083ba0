import { show } from '../../common/check.js';
import { IpvsError, invalid } from '../../common/errors.js';
import { limits } from '../../common/limits.js';
import { parseJson } from './json-text.js';

/**
 * Returns the value of a document that is given as text: JSON, or YAML. Takes time and memory in proportion to the
 * text. Lets the event loop turn while it parses JSON; the parser of YAML takes one turn. Rejects a name that an object
 * has twice, and an alias that repeats more than {@link limits.values} values.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`; the reason of the signal
 */
export async function parseDocumentText(text: string, signal?: AbortSignal): Promise<unknown> {
  if (text.length > limits.documentText)
    throw invalid(`the document has at most ${limits.documentText} characters as text, not ${text.length}`);
  if (/^\s*[{[]/.test(text)) {
    try {
      const { value, repeated } = await parseJson(text, signal);
      if (repeated === undefined) return value;
      throw invalid(`the document has ${show(repeated)} twice in one object`);
    } catch (error) {
      // YAML has the same collections with more syntax: the YAML parser tries next.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return parseYaml(text);
}

async function parseYaml(text: string): Promise<unknown> {
  const yaml = await import('./yaml.js');
  checkTokens(new yaml.Lexer().lex(text));
  const refuse = (reason: unknown): IpvsError =>
    invalid(`the document is not YAML: ${reason instanceof Error ? reason.message : String(reason)}`);
  try {
    // The parser's own search for repeated names takes quadratic time, as does its count of aliases.
    const document = yaml.parseDocument(text, { merge: true, uniqueKeys: false, logLevel: 'error' });
    // A warning is a tag that nobody resolves, or a directive.
    const [error] = [...document.errors, ...document.warnings];
    if (error) throw refuse(error);
    checkNodes(yaml, document.contents);
    return document.toJS({ maxAliasCount: -1 });
  } catch (error) {
    throw error instanceof IpvsError ? error : refuse(error);
  }
}

/**
 * Limits the tokens and the anchors: a parsed token takes hundreds of bytes, and each alias is looked up among all
 * anchors.
 */
function checkTokens(tokens: Iterable<string>): void {
  let count = 0;
  let anchors = 0;
  const nesting = new Nesting();
  for (const token of tokens) {
    if (nesting.after(token) > MOST_NESTED) throw invalid(`the document is nested at most ${limits.depth} levels deep`);
    if (++count > limits.yamlTokens)
      throw invalid(
        `the document has at most ${limits.yamlTokens} tokens as YAML; give a larger one as JSON or as an object`,
      );
    if ((token.startsWith('&') || token.startsWith('*')) && ++anchors > limits.yamlAnchors)
      throw invalid(`the document has at most ${limits.yamlAnchors} anchors and aliases as YAML`);
  }
}

/**
 * Maximum depth of nesting in tokens, a bound that no document of {@link limits.depth} levels reaches. The parser calls
 * itself for each level: it must not see a text that exhausts the stack.
 */
const MOST_NESTED = 4 * limits.depth;

/** Follows how deep the tokens of a YAML text are nested: in brackets, and by their columns. */
class Nesting {
  #flow = 0;
  #column = 0;
  /** True if the next token may begin a node: the first of a line, or after an indicator. */
  #begins = true;
  readonly #columns: number[] = [];

  /** Returns the depth after a token. It is too large by some levels in documents with many scalars of several lines. */
  after(token: string): number {
    const first = token[0] ?? '';
    const lineEnd = token.lastIndexOf('\n');
    if (lineEnd >= 0) {
      // A line break, or a scalar of several lines, which has no nodes in it.
      this.#column = token.length - lineEnd - 1;
      this.#begins = this.#column === 0;
    } else if (first >= ' ') {
      if (token === '[' || token === '{') this.#flow++;
      else if (token === ']' || token === '}') this.#flow = Math.max(0, this.#flow - 1);
      if (token.trim() !== '') {
        if (this.#begins && this.#flow === 0) this.#beginAt(this.#column);
        this.#begins = token === '-' || token === '?' || token === ':';
      }
      this.#column += token.length;
    } // else a mark of the lexer, without characters of the text
    return this.#columns.length + this.#flow;
  }

  #beginAt(column: number): void {
    while ((this.#columns.at(-1) ?? -1) > column) this.#columns.pop();
    if ((this.#columns.at(-1) ?? -1) < column) this.#columns.push(column);
  }
}

type Yaml = typeof import('./yaml.js');

/** Limits the number of values after aliases are replaced, before they are; rejects repeated names. */
function checkNodes(yaml: Yaml, contents: unknown): void {
  const sizes = new Map<string, number>();
  const sizeOf = (node: unknown): number => {
    if (yaml.isAlias(node)) return sizes.get(node.source) ?? 0;
    let size = 1;
    if (yaml.isMap(node)) {
      const names = new Set<string>();
      for (const { key, value } of node.items) {
        const name = yaml.isScalar(key) ? String(key.value) : undefined;
        if (name !== undefined && names.has(name)) throw invalid(`the document has ${show(name)} twice in one map`);
        if (name !== undefined) names.add(name);
        size += sizeOf(key) + sizeOf(value);
      }
    } else if (yaml.isSeq(node)) for (const item of node.items) size += sizeOf(item);
    else if (yaml.isPair(node)) size += sizeOf(node.value);
    if (size > limits.values) throw invalid(`the document has at most ${limits.values} values, aliases replaced`);
    if (yaml.isCollection(node) || yaml.isScalar(node)) if (node.anchor !== undefined) sizes.set(node.anchor, size);
    return size;
  };
  sizeOf(contents);
}
