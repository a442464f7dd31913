//! Every public function that may refuse: what it says, and that nothing has changed when it does.

mod plans;
mod settings;
mod shapes;
