"""The pages: the only place, with tab-bringing extensions, that knows Gradio."""
