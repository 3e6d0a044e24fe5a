import { LANGUAGES, type Language, useTexts } from '../i18n';

export function LanguageChoice({ onChange }: { onChange: (language: Language) => void }) {
  const texts = useTexts();
  return (
    <label class="language">
      <span class="unseen">{texts.text('language')}</span>
      <select value={texts.language} onChange={(event) => onChange(event.currentTarget.value as Language)}>
        {Object.entries(LANGUAGES).map(([language, { name, tag }]) => (
          <option key={language} value={language} lang={tag}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
