// A question before something that cannot be taken back.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { useTexts } from '../i18n';
import { ofAct } from '../refusals';

interface Props {
  title: string;
  children: ComponentChildren;
  /** The word on the button. */
  act: string;
  onAct: () => Promise<void>;
  onClose: () => void;
  ready?: boolean;
}

export function Confirm({ title, children, act, onAct, onClose, ready = true }: Props) {
  const texts = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      else document.querySelector<HTMLElement>('main h1')?.focus();
    };
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || !ready) return;
    setBusy(true);
    setProblem(undefined);
    try {
      await onAct();
      onClose();
    } catch (error) {
      setProblem(ofAct(texts, error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby={`${id}-title`} onClose={onClose} onCancel={(event) => busy && event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id={`${id}-title`}>{title}</h2>
        {children}
        {problem && (
          <p class="banner bad" role="alert">
            {problem}
          </p>
        )}
        <div class="row end">
          <button type="button" disabled={busy} onClick={onClose}>
            {texts.text('cancel')}
          </button>
          <button type="submit" class="danger" disabled={busy || !ready}>
            {act}
          </button>
        </div>
      </form>
    </dialog>
  );
}
