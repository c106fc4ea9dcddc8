"""How the demo's small model is taught: lessons, questions, the pupil, the teacher and the exam. The demo itself needs none of it."""
