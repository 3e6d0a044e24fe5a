// Texts in the language of the reader.

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

import { type Key, en } from './en';
import { zh } from './zh';

export type { Key } from './en';
export type Language = 'en' | 'zh';
export type Values = Record<string, string | number>;

export const LANGUAGES: Record<Language, { name: string; tag: string }> = {
  en: { name: 'English', tag: 'en' },
  zh: { name: '中文', tag: 'zh-Hans' },
};

const TEXTS: Record<Language, Record<Key, string>> = { en, zh };

export class Texts {
  readonly #numbers: Intl.NumberFormat;

  constructor(readonly language: Language) {
    this.#numbers = new Intl.NumberFormat(language);
  }

  /** The text of a key with its values; numbers are grouped. */
  text = (key: Key, values: Values = {}): string =>
    TEXTS[this.language][key].replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? this.number(value) : value;
    });

  /** That of a word which a server sent; the word itself where there is none. */
  word = (prefix: string, word: string): string =>
    Object.hasOwn(en, prefix + word) ? this.text((prefix + word) as Key) : word;

  number = (value: number): string => this.#numbers.format(value);
}

const KEY = 'rollcall.language';

/** The chosen language, else the browser's. */
export function preferred(store: Pick<Storage, 'getItem'>, tags: readonly string[]): Language {
  const chosen = store.getItem(KEY);
  if (chosen === 'en' || chosen === 'zh') return chosen;
  const known = tags.map((tag) => tag.toLowerCase().split('-')[0]).find((tag) => tag === 'en' || tag === 'zh');
  return (known ?? 'en') as Language;
}

export const choose = (store: Pick<Storage, 'setItem'>, language: Language): void => store.setItem(KEY, language);

export const TextsContext = createContext(new Texts('en'));
export const useTexts = (): Texts => useContext(TextsContext);
