"""A fit that can be entered anywhere: stepped, rewound and edited, with the history of all its states."""
