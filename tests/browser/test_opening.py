"""A page that opens slowly: what is typed meanwhile stays, the rest of the form comes back, and undo has what gave way."""

from __future__ import annotations

from playwright.sync_api import Page, expect

# Answers that bring a form back come late: they are asked for with a list, what the browser kept.
LATE = """(() => { const real = window.fetch; window.fetch = async (...asked) => {
  const answer = await real(...asked);
  if (sessionStorage.late && String(asked[1]?.body).startsWith('{"data":[["')) await new Promise((done) => setTimeout(done, 3000));
  return answer; }; })()"""


def test_what_is_typed_while_the_page_opens_stays(page: Page) -> None:
    prompt, negative = (page.locator(f"#txt2img-{name} textarea") for name in ("prompt", "negative-prompt"))
    kept = "localStorage.getItem('atelier-txt2img')"
    prompt.fill("a red car")
    page.wait_for_function(f"{kept} !== null")
    first = page.evaluate(kept)
    negative.fill("night")
    page.wait_for_function(f"was => {kept} !== was", arg=first)
    page.add_init_script(LATE)
    page.evaluate("sessionStorage.late = 1")
    page.reload()
    prompt.press_sequentially("a boat")
    expect(negative).to_have_value("")                      # it is not back yet
    expect(negative).to_have_value("night")
    assert prompt.input_value() == "a boat"
    page.locator("#undo").click()
    expect(prompt).to_have_value("a red car")
    page.locator("#redo").click()
    expect(prompt).to_have_value("a boat")
    assert negative.input_value() == "night"
    page.evaluate("delete sessionStorage.late")
    page.reload()
    expect(prompt).to_have_value("a boat")                  # and it is what is kept now
