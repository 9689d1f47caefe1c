-- An output that a notebook shows as Markdown is Markdown in its page too: pandoc's reader of
-- notebooks hands it over as raw text, which the writer of HTML would drop.
function RawBlock(block)
  if block.format == "markdown" then
    return pandoc.Div(pandoc.read(block.text, "markdown").blocks)
  end
end
