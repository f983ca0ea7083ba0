/** The used part of the YAML parser. The bundle has it in a file of its own, which the first document in YAML loads. */
export { isAlias, isCollection, isMap, isPair, isScalar, isSeq, Lexer, parseDocument } from 'yaml';
