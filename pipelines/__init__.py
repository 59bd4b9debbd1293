"""What makes images. Nothing in here knows Gradio; see ARCHITECTURE.md for the floors."""
