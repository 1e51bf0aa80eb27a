//! The outlet that is Kafka: a transactional producer behind [`Outlet`](super::Outlet).
